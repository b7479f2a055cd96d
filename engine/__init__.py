"""The processor: decides and keeps the books. Imports no other package of the house."""
