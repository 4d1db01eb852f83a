"""What the SDK costs a service, beside what people would take instead."""
