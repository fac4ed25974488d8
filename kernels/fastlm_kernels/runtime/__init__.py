"""What all kernels need: JIT flags, argument types, the tile scheduler, random numbers."""
