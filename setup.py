"""What pyproject.toml cannot say: ``configs`` at the top of the repository ships with the package.

In a wheel it is ``segibn/configs``; an editable install and a bare checkout read the folder itself
(``segibn.config.shipped`` looks in both places). Its folders hold no Python: to setuptools they are
namespace packages, whose files pyproject.toml lists as package data.
"""

from setuptools import find_namespace_packages, find_packages, setup

CONFIGS = "segibn.configs"

setup(
    packages=[
        *find_packages(include=["segibn", "segibn.*"]),
        CONFIGS,
        *(f"{CONFIGS}.{folder}" for folder in find_namespace_packages("configs")),
    ],
    package_dir={CONFIGS: "configs"},
)
