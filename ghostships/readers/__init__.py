"""Files become tables here: containers, dialects, and one module per family of formats."""
