"""The lab: where networks are defined, trained, evaluated and exported. The only part that imports torch."""
