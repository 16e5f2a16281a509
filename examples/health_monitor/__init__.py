"""An agent that answers questions about running a Databricks workspace."""
