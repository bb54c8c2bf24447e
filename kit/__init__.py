"""What every service needs and none should write twice; knows no service and no word of the domain."""
