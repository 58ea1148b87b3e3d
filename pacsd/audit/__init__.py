"""Who accessed what: records written before the answer, chained by hash, and what is made of them."""
