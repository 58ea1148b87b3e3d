"""HL7 messages that came and that go out: the log, and the durable queues."""
