"""The one evaluation of a session, and the evidence it leaves."""
