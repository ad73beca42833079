"""Operations of model files: one entry each, with every fact about it that is not in its kernel."""
