"""Person to person: money sent to a handle, money asked for, and the answer to being asked."""
