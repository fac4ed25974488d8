"""What pictures and pages show of models and runs, and the two pages: a report and a demo."""
