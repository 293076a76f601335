"""Terminal emulators behind one small interface: from bytes to cells and back. Imports no Textual."""
