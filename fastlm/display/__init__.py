"""What people see of a run: progress, figures, and screens to show them on."""
