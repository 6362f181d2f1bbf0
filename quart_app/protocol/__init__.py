"""Formats that both processes share: tokens, keys, messages, close codes, outlines of documents."""
