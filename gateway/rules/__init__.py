"""The pure rules of outside calendars: how a webhook is verified, read, and understood."""

from gateway.rules.calcom import FINAL_REVISION, Unreadable, booking_of, signed_by
from gateway.rules.subjects import USER_LABELS, subject_of

__all__ = ["FINAL_REVISION", "USER_LABELS", "Unreadable", "booking_of", "signed_by", "subject_of"]
