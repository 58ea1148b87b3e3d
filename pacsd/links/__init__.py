"""Share links: who holds one sees a study, or a patient's history, on the film page for a while."""
