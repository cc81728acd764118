"""The permissions editor: for one person, several people, and several sets (R1, R5, E13, E14).

`form` draws what is held and reads what was sent, `pages` asks, shows what follows, and saves.
"""
