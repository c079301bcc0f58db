"""How expressions are computed: plan, program, memory."""
