"""``gatehouse check``: everything an operator wrote, validated; connects to nothing."""

from devices.example import check_examples
from devices.profile import ProfileError, built_in, load_profiles
from gatehouse.parts import open_series
from gatehouse.settings import SettingsError, load


def check_everything() -> list[str]:
    """Return one line for each thing that is wrong, naming it; empty when all is well."""
    try:
        settings = load()
    except SettingsError as error:
        return [str(error)]
    problems = []
    if settings.mqtt is None:
        problems.append("GATEHOUSE_MQTT_URL: not set; say where the broker is")
    for look in (lambda: settings.clock, lambda: open_series(settings).close()):
        try:
            look()
        except SettingsError as error:
            problems.append(str(error))
    folders = [settings.profiles_dir] if settings.profiles_dir else []
    try:
        profiles = load_profiles(built_in(), *folders)
    except ProfileError as error:
        return [*problems, str(error)]
    return problems + [problem for profile in profiles for problem in check_examples(profile)]
