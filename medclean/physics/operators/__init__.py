"""Forward models, torch in and out, each with its exact adjoint."""
