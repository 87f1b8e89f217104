"""A stand-in for Slicer's CMake package: the macros that the extension calls, in the behaviour that matters here.

SCRIPTS and RESOURCES keep their paths relative to the folder of the calling CMakeLists.txt, SCRIPTS may not be
empty, and a path that leaves that folder is lost on installation (an error here; the real macros stay silent).
"""

from __future__ import annotations

from pathlib import Path

MODULES = "lib/Slicer-5.12/qt-scripted-modules"

_CONFIG = f"""
set(Slicer_USE_FILE "${{CMAKE_CURRENT_LIST_DIR}}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${{CMAKE_CURRENT_LIST_DIR}}/last.cmake")
set(Slicer_EXTENSION_CPACK "${{CMAKE_CURRENT_LIST_DIR}}/last.cmake")
set(Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR "{MODULES}")
"""

_USE = r"""
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(PARSE_ARGV 0 MODULE "WITH_GENERIC_TESTS;WITH_SUBDIR;VERBOSE" "NAME" "SCRIPTS;RESOURCES")
  if(MODULE_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "unknown keywords: ${MODULE_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT MODULE_NAME OR NOT MODULE_SCRIPTS)
    message(FATAL_ERROR "NAME and SCRIPTS are mandatory")
  endif()
  foreach(file IN LISTS MODULE_SCRIPTS MODULE_RESOURCES)
    if(file MATCHES "^\\.\\./" OR IS_ABSOLUTE "${file}")
      message(FATAL_ERROR "${file} lies outside ${CMAKE_CURRENT_SOURCE_DIR} and would not be installed")
    endif()
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "${file} does not exist")
    endif()
    get_filename_component(folder "${file}" DIRECTORY)
    install(FILES "${file}" DESTINATION "${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/${folder}")
  endforeach()
  foreach(file IN LISTS MODULE_SCRIPTS)
    if(NOT file MATCHES "\\.py$")
      message(FATAL_ERROR "SCRIPTS holds ${file}, which is no Python file")
    endif()
  endforeach()
endfunction()

function(slicer_add_python_unittest)
endfunction()
"""

# Slicer writes the description of the extension from these when it packages it.
_LAST = r"""
foreach(field HOMEPAGE CATEGORY CONTRIBUTORS DESCRIPTION ICONURL SCREENSHOTURLS DEPENDS)
  if(NOT EXTENSION_${field})
    message(FATAL_ERROR "EXTENSION_${field} is not set")
  endif()
endforeach()
"""


def write_stand_in(folder: Path) -> Path:
    """Write the package into `folder` and return the folder for ``Slicer_DIR``."""
    folder.mkdir(parents=True)
    (folder / "SlicerConfig.cmake").write_text(_CONFIG, encoding="utf-8")
    (folder / "UseSlicer.cmake").write_text(_USE, encoding="utf-8")
    (folder / "last.cmake").write_text(_LAST, encoding="utf-8")
    return folder
