"""What pyproject.toml cannot say: ``configs`` at the top of the repository ships with the package.

In a wheel it is ``segibn/configs``; an editable install and a bare checkout read the folder itself
(``segibn.config.shipped`` looks in both places). Folders that hold no Python are namespace packages
to setuptools; pyproject.toml lists their files as package data.
"""

from setuptools import find_namespace_packages, setup

CONFIGS = "segibn.configs"

setup(
    packages=[
        *find_namespace_packages(
            include=["segibn", "segibn.*", "painted_scenes"], exclude=["*.__pycache__*"]
        ),
        CONFIGS,
        *(f"{CONFIGS}.{folder}" for folder in find_namespace_packages("configs")),
    ],
    package_dir={CONFIGS: "configs"},
)
