"""Pictures and pages, drawn from plain data: nothing here knows a model."""
