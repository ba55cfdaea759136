"""The policy as a service: one thread owns the model, turns are batched, adapters change in between."""
