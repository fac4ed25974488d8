"""What embeddings show: tokens near each other, and maps in two dimensions."""
