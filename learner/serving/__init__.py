"""The policy as a service: one thread owns the model, turns are batched, and adapters are swapped between
batches."""
