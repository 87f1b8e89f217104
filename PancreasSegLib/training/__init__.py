"""Train the stages of a cascade from a typed recipe and export them as a model package."""
