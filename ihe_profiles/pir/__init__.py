"""Patient Information Reconciliation (IHE RAD TF-1 6): what the department's systems say of patients reaches images."""
