"""What people and machines are told: record, terminal, HTML, JUnit."""
