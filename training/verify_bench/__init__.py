"""What ``earmark bench verify`` measures: attempts at being recognised, by people nobody was trained on."""
