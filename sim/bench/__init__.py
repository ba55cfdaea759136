"""Our figures, each measured beside its alternative in one run."""
