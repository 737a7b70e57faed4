"""The broker's password and ACL file: whether they are what the registry says."""

from sqlalchemy.exc import SQLAlchemyError

from devices.broker_rights import BrokerRights
from gatehouse.broker_access import BrokerAccessError
from gatehouse.database import connect, newest_revision, revision
from gatehouse.doctor.found import Found
from gatehouse.enrolment import open_access, read_profiles
from gatehouse.settings import Settings

NAME = "broker's files"


def access(settings: Settings) -> list[Found]:
    """Compare the files that ``[enrolment]`` names, if it names any, with the registry."""
    if settings.enrolment.password_file is None:
        return []
    files = open_access(settings, BrokerRights(read_profiles(settings)))
    engine = connect(settings)
    try:
        if files is None or revision(engine) != newest_revision():
            return []
        with engine.connect() as connection:
            differing = files.differing(connection)
    except BrokerAccessError as error:
        return [Found.wrong(NAME, str(error))]
    except SQLAlchemyError:
        return []  # Said of the state database.
    finally:
        engine.dispose()
    if differing:
        names = " and ".join(str(path) for path in differing)
        said = f"{names} differ from the registry: `gatehouse credentials write`"
        return [Found.wrong(NAME, said)]
    return [Found.fine(NAME, "what the registry says stands in them")]
