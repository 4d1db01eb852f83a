"""What `runhub` and `preparehub` say to each other about the first operator. Pure."""

OPERATOR = "admin"
CREATED = f"created the first operator, {OPERATOR}"
