"""The policy, feedback decoding, training, adapters, rounds of learning and serving. Does not import discord.py."""
