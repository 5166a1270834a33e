"""Read models, folded from durable records. What the outside sees is read here, never from the engine."""
