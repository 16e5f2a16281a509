"""From evidence to a decision: pure values and functions, no pytest, no MLflow."""
