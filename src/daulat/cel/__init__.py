"""Evaluates compiled admission policies on an object, with the official CEL runtime. Pure."""
