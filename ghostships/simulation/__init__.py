"""The simulator's parts: waters, hulls and their journeys, who hears them, and who takes pictures of them."""
