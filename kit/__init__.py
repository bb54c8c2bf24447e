"""What every service needs and none should write twice: no service, no word of the domain."""
