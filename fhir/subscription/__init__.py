"""Subscriptions (http://hl7.org/fhir/R4/subscription.html): who is told when a resource changes."""
