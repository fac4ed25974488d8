"""The layers of the network, forward and backward."""
