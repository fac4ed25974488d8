"""Matrix products held in vector registers, dense and sparse."""
