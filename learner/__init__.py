"""The policy, feedback decoding, objectives, training, adapters, rounds, serving. No discord."""
