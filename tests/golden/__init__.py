"""Golden files: small model files of each feature and format version, which must load for ever."""
