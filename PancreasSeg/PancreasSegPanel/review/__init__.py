"""The review of a cohort: a scan comes from the cohort into the scene, and the reader's answer goes back."""
