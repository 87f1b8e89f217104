"""Installation, packages, the sample CT and the self-test."""
