"""Training on several processes: shards of a batch, their exchange, and who talks to whom."""
