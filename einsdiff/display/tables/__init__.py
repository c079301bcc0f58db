"""Tables of steps, shapes and layouts; chains of Jacobians; entries case by case."""
