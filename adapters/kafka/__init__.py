"""The log's mirror in Kafka: one relay writes it, any number of consumers share its lanes."""
