"""The policy as a service: one thread owns the model, requests are batched, adapters change between batches."""
