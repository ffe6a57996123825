# Turns the style sheet and the script of the HTML report into a header, <html_assets.h>: the program
# carries them, so that a report is one file.
file(READ ${CMAKE_SOURCE_DIR}/harness/report/html/page.css BATON_PAGE_STYLE)
file(READ ${CMAKE_SOURCE_DIR}/harness/report/html/page.js BATON_PAGE_SCRIPT)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${CMAKE_SOURCE_DIR}/harness/report/html/page.css
  ${CMAKE_SOURCE_DIR}/harness/report/html/page.js)
configure_file(${CMAKE_SOURCE_DIR}/cmake/html_assets.h.in
  ${CMAKE_BINARY_DIR}/generated/html_assets.h @ONLY)
