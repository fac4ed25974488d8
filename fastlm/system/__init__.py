"""What the operating system gives: atomic files, processors, memory, signals; and JSON values."""
