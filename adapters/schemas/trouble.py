"""What can go wrong with a schema registry."""


class RegistryTrouble(Exception):
    """The schema registry did not do what was asked."""


class RegistryUnavailable(RegistryTrouble):
    """Start it, or correct RUNLEDGER_SCHEMA_REGISTRY_URL."""


class SchemaRefused(RegistryTrouble):
    """The schema registry does not take this schema."""


class SchemaUnknown(RegistryTrouble):
    """A newer version of this system wrote this event, and its schema is not known here; upgrade this one."""
